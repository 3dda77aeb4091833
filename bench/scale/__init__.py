"""What a deployment of any size needs: a model fed by measured costs, and runs that it is held to."""
