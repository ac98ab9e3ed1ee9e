"""Writes `descriptors.py` from `open_inference.proto`; needs `pip install grpcio-tools`, which nothing else needs.

python -m harness.wire.grpc.compile_proto
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

HERE = Path(__file__).parent
PROTO = HERE / "open_inference.proto"
HEAD = '''"""The compiled `open_inference.proto`. Written by `compile_proto`; not to be edited."""

from __future__ import annotations

import base64

FILE_DESCRIPTOR_SET = base64.b64decode(
    """
'''


def main() -> None:
    """Compile, and write."""
    with tempfile.NamedTemporaryFile() as compiled:
        argv = ["-m", "grpc_tools.protoc", f"-I{HERE}", f"--descriptor_set_out={compiled.name}", PROTO.name]
        subprocess.run([sys.executable, *argv], check=True)
        encoded = base64.b64encode(Path(compiled.name).read_bytes()).decode()
    lines = "\n".join(textwrap.wrap(encoded, 100))
    (HERE / "descriptors.py").write_text(f'{HEAD}{lines}\n"""\n)\n')


if __name__ == "__main__":
    main()
