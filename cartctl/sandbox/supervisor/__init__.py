"""To local processes what Kubernetes is to pods: keeps what is asked for and what runs the same."""
