"""The Open Inference Protocol over gRPC: messages, codec, and the server that feeds the batch queue."""
