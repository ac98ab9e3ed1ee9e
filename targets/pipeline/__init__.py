"""Processes that compute for the one that listens: a model's stages, or whole models behind one queue.

The listening process keeps the requests and forms the batches. A batch's tensor lies in shared memory, in a slot
that it owns from its first stage to its answer; what goes over the sockets between the processes is a few
numbers that say which slot is meant. Importing this imports nothing heavy.
"""
