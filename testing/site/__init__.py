"""The documentation as a site: `make docs` gathers its pages, makes the reference from the protos, and builds it."""
