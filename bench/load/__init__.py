"""The load: processes that call and watch over raw HTTP/2, and what they measure."""
