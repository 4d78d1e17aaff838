"""What transformers' code knows of a family and a configuration does not say.

Read off the source of transformers by tests/library/test_hf_layouts.py, which also prints this file.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


INTERLEAVED = _names(
    """
    axk1 axk2 bailing_hybrid blt blt_global_transformer blt_local_decoder blt_local_encoder blt_patcher
    codegen cohere cohere2 cohere2_moe deepseek_v2 deepseek_v3 deepseek_v32 deepseek_v4 dots3_note
    dots3_note_text edgetam_video efficientloftr ernie4_5 ernie4_5_moe ernie4_5_vl_moe ernie4_5_vl_moe_text
    glm glm4 glm4_moe_lite glm4v glm4v_text glm_moe_dsa glm_ocr glm_ocr_text gptj helium hy_v4_vl
    hy_v4_vl_text inkling2_vision llama4 llama4_text llama4_vision_model longcat_flash mistral4
    mistral_large4 mistral_large4_text moonshine moonshine_streaming musicflamingo openai_privacy_filter
    pe_video pe_video_encoder roformer sam2_video sam3_tracker_video sam3_vision_model sam3_vit_model
    sarvam_mla youtu
    """
)

HALF = _names(
    """
    afmoe apertus apertus1p5 apertus1p5_text arcee aria aria_text bamba beam bitnet chameleon clvp
    clvp_encoder cohere_compass cohere_compass_text cohere_compass_vision cosmos3_edge cosmos3_edge_text csm
    cwm dbrx deepseek_ocr2 deepseek_ocr2_encoder deepseek_ocr2_text dia dia_decoder dia_encoder diffllama
    diffusion_gemma diffusion_gemma_text dinov3_vit doge dory dots1 dots3_note_vision_encoder
    embedding_gemma2 embedding_gemma2_text emu3 emu3_text_model eomt_dinov3 ernie4_5_vl_moe_vision esm esmc
    eurobert evolla exaone exaone4 exaone4_5 exaone4_5_vision exaone_moe falcon falcon_h1 flex_olmo flint
    gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text gemma4 gemma4_text gemma4_unified
    gemma4_unified_text gemma4_unified_vision gemma4_vision glm4_moe glm4v_moe glm4v_moe_text
    glm4v_moe_vision glm4v_vision glm5_next_vision glm_image glm_image_text glm_image_vision glm_ocr_vision
    glmasr glmasr_encoder gpt_neox gpt_neox_japanese gpt_oss gradium_phonon_tts granite granite4_vision
    granite4_vision_text granite_docling granite_docling_text granite_swa granitemoe granitemoe_swa
    granitemoehybrid granitemoeshared gte hrm_text hunyuan_v1_dense hunyuan_v1_moe hunyuan_vl hunyuan_vl_text
    hy_v3 hy_v4 hyperclovax idefics internlm3 iquestcoder jais2 jamba jetmoe jina_embeddings_v3
    kimi_k25_vision kolibri1 kyutai_speech_to_text laguna lara_mini lasr_ctc lasr_encoder lfm2 lfm2_moe lfm3
    lfm3_vl_vision llama mellum mimi mimi_decoder mimi_encoder mimo_v2_flash minicpm3 minimax minimax_m2
    minimax_m3_vl minimax_m3_vl_text minimax_m3_vl_vision ministral ministral3 mistral mixtral
    mlcd_vision_model mllama mllama_text_model mllama_vision_model modernbert modernbert-decoder molmo2
    molmo2_text moshi muse_glimmer muse_glimmer_assistant muse_glimmer_text muse_glimmer_vision muse_spark
    muse_spark_text muse_spark_vision nanochat nemotron nemotron3_5_transcribe_word_timestamp
    nemotron3_diarization nemotron_asr_streaming nemotron_asr_streaming_encoder nemotron_h neomme neucodec
    nomic_bert olmo olmo2 olmo3 olmo_hybrid olmoe paddleocr_vl paddleocr_vl_text paddleocr_vl_vision
    persimmon phi phi3 phi4_multimodal phimoe pixtral pocket_tts qwen2 qwen2_5_omni qwen2_5_omni_talker
    qwen2_5_omni_text qwen2_5_omni_vision_encoder qwen2_5_vl qwen2_5_vl_text qwen2_5_vl_vision qwen2_moe
    qwen2_vl qwen2_vl_text qwen2_vl_vision qwen3 qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen3_5_moe_vision
    qwen3_5_text qwen3_5_vision qwen3_moe qwen3_next qwen3_omni_moe qwen3_omni_moe_talker_code_predictor
    qwen3_omni_moe_talker_text qwen3_omni_moe_text qwen3_omni_moe_vision_encoder qwen3_vl qwen3_vl_moe
    qwen3_vl_moe_text qwen3_vl_moe_vision qwen3_vl_text qwen3_vl_vision qwen4_exp qwen4_exp_text
    qwen4_exp_vision recurrent_gemma sapiens2 sarvam_moe seed_oss smollm3 solar_open stablelm starcoder2
    step3p5 step3p5_vision step3p7 t5_gemma_module t5gemma t5gemma2 t5gemma2_decoder t5gemma2_text timesfm2_5
    ultrabert unlimited_ocr unlimited_ocr_text vaultgemma video_llama_3 video_llama_3_vision voxtral_realtime
    voxtral_realtime_encoder voxtral_realtime_text xcodec2 zamba2 zaya
    """
)

# The rope type that "default" means in these configurations is "axial".
AXIAL = _names(
    """
    cohere_compass_vision dots3_note_vision_encoder edgetam_video ernie4_5_vl_moe_vision exaone4_5_vision
    gemma4_vision glm4v_moe_vision glm4v_vision glm5_next_vision glm_image_vision glm_ocr_vision
    inkling2_vision kimi_k25_vision lfm3_vl_vision minimax_m3_vl_vision mlcd_vision_model muse_glimmer_vision
    muse_spark_vision paddleocr_vl_vision pixtral qwen2_5_omni_vision_encoder qwen2_5_vl_vision
    qwen2_vl_vision qwen3_5_moe_vision qwen3_5_vision qwen3_omni_moe_vision_encoder qwen3_vl_moe_vision
    qwen3_vl_vision qwen4_exp_vision sam2_video sam3_tracker_video sam3_vit_model step3p5_vision
    video_llama_3_vision
    """
)

# M-RoPE's axes take turns along the pairs, whatever `mrope_interleaved` says.
INTERLEAVED_SECTIONS = _names(
    """
    cohere_compass cohere_compass_text cosmos3_edge cosmos3_edge_text hy_v4_vl hy_v4_vl_text qwen3_5
    qwen3_5_moe qwen3_5_moe_text qwen3_5_text qwen3_omni_moe qwen3_omni_moe_talker_code_predictor
    qwen3_omni_moe_talker_text qwen3_omni_moe_text qwen3_vl qwen3_vl_moe qwen3_vl_moe_text qwen3_vl_text
    qwen4_exp qwen4_exp_text
    """
)

# What transformers assumes where a configuration has no base, unless it is 10000: for error messages alone.
# "family/layer type" where layers differ.
DEFAULT_BASES = {
    "apertus": 12000000.0,
    "apertus1p5_text": 12000000.0,
    "bitnet": 500000.0,
    "blt": 500000.0,
    "blt_global_transformer": 500000.0,
    "blt_local_decoder": 500000.0,
    "blt_local_encoder": 500000.0,
    "cohere": 500000.0,
    "cosmos3_edge_text": 100000000.0,
    "csm": 500000.0,
    "csm_depth_decoder_model": 500000.0,
    "cwm": 1000000.0,
    "dots3_note_text": 80000000.0,
    "emu3_text_model": 1000000.0,
    "eomt_dinov3": 100.0,
    "ernie4_5": 500000.0,
    "ernie4_5_moe": 500000.0,
    "ernie4_5_vl_moe_text": 500000.0,
    "evolla": 500000.0,
    "exaone": 500000.0,
    "flex_olmo": 500000.0,
    "fuyu": 25000.0,
    "gemma3_text/full_attention": 1000000.0,
    "gemma3n_text/full_attention": 1000000.0,
    "gemma4_vision": 100.0,
    "gpt_oss": 150000.0,
    "gte": 160000.0,
    "helium": 100000.0,
    "hy_v3": 11158840.0,
    "jina_embeddings_v3": 20000.0,
    "lfm2": 1000000.0,
    "lfm2_moe": 1000000.0,
    "lfm3": 1000000.0,
    "lfm3_vl_vision": 1000000.0,
    "llama4_text": 500000.0,
    "longcat_flash": 10000000.0,
    "minimax": 1000000.0,
    "minimax_m2": 5000000.0,
    "minimax_m3_vl_text": 5000000.0,
    "mixtral": 1000000.0,
    "mllama_text_model": 500000.0,
    "modernbert-decoder/full_attention": 160000.0,
    "modernbert/full_attention": 160000.0,
    "muse_glimmer_assistant": 500000.0,
    "musicflamingo": 1200.0,
    "neomme/full_attention": 1000000.0,
    "nomic_bert": 1000.0,
    "olmo3": 500000.0,
    "openai_privacy_filter": 150000.0,
    "paddleocr_vl_text": 500000.0,
    "pe_audio_encoder": 20000.0,
    "pe_audio_video_encoder": 20000.0,
    "pe_video_encoder": 20000.0,
    "phimoe": 1000000.0,
    "qwen2_5_omni_talker": 1000000.0,
    "qwen2_5_omni_text": 1000000.0,
    "qwen2_5_vl_text": 1000000.0,
    "qwen2_vl_text": 1000000.0,
    "qwen3_omni_moe_text": 1000000.0,
    "qwen3_vl_moe_text": 500000.0,
    "qwen3_vl_text": 500000.0,
    "sarvam_moe": 8000000.0,
    "smollm3": 2000000.0,
    "solar_open": 1000000.0,
    "t5gemma2_decoder/full_attention": 1000000.0,
    "t5gemma2_text/full_attention": 1000000.0,
}

# The share of a head that turns where a configuration does not say, unless it is all of it.
DEFAULT_FRACTIONS = {
    "bamba": 0.5,
    "dots3_note_audio_encoder": 0.5,
    "efficientloftr": 4.0,
    "fuyu": 0.5,
    "glm": 0.5,
    "glm4": 0.5,
    "glm4_moe": 0.5,
    "glm4v_moe_text": 0.5,
    "glmasr_encoder": 0.5,
    "gpt_neox": 0.25,
    "moonshine": 0.9,
    "musicflamingo": 0.2,
    "nemotron": 0.5,
    "nemotron3_5_transcribe_asr_audio": 0.5,
    "nemotron3_diarization_audio": 0.5,
    "persimmon": 0.5,
    "phi": 0.5,
    "qwen3_5_moe_text": 0.25,
    "qwen3_5_text": 0.25,
    "qwen3_next": 0.25,
    "recurrent_gemma": 0.5,
    "stablelm": 0.25,
}


def layout_of(model_type: str | None) -> str | None:
    """Return "interleaved" or "half", or None for a family that is not known."""
    if model_type in INTERLEAVED:
        return "interleaved"
    return "half" if model_type in HALF else None
