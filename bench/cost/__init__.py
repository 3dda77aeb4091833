"""What each thing that a server does beside a switch costs: instructions a call, and CPU time beside them."""
