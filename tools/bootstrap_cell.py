# Makes posenc_lib importable. Where it already is, this does nothing; elsewhere, as on Colab, it installs the book's wheel.
import importlib, importlib.metadata, subprocess, sys

VERSION, SITE = "0.3.1", "https://posenc.github.io/positional-encoding-derived"
WHEEL = f"{SITE}/wheels/posenc_lib-{VERSION}-py3-none-any.whl"
found = next((each.version for each in importlib.metadata.distributions(name="posenc-lib")), None)
if found != VERSION:
    if "posenc_lib" in sys.modules:
        raise RuntimeError(f"posenc_lib {found} is loaded, this chapter needs {VERSION}: restart the session and run from the top.")
    pip = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", WHEEL], capture_output=True, text=True)
    if pip.returncode:
        raise RuntimeError(f"pip could not install {WHEEL}\n{pip.stderr}Is this computer online? Mend that, then run this cell again.")
    importlib.invalidate_caches()
