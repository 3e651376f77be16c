"""What surrounds the plane: its tables, its deployment, and the local gateway that stands for AWS."""
