"""Several server processes under one: started, watched, replaced and stopped together."""
