"""How much is taken on: what one server can do, and what a tenant may ask of all of them."""
