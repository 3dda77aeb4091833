"""What goes on while one looks: `synckairos watch`, `top` and `events`."""
