"""The processes put together: a server, a worker, and the parts they share; the only place that knows all adapters."""
