"""Connections of the load process: HTTP/1.1, gRPC, TLS and models in the same process."""
