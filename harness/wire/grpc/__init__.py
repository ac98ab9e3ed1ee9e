"""gRPC, and the Open Inference Protocol over it; the messages serve clients and servers."""
