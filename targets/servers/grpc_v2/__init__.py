"""The Open Inference Protocol over gRPC: the codec, and the front end that feeds the batch queue."""
