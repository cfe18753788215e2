"""A trained student at work: on pictures and videos, and as an ONNX file."""
