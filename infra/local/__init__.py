"""The plane on one machine: HTTP, real WebSockets and AWS stand-ins, with the limits API Gateway and Lambda set."""
