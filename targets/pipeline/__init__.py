"""Processes that compute for the process that listens: the stages of a model, or whole models behind one queue.

The listening process keeps the requests and forms the batches. A batch's tensor is in shared memory, in a slot that the
batch owns from its first stage to its response. The sockets between the processes carry only the number of the slot, a
shape and two instants. Importing this imports nothing heavy.
"""
