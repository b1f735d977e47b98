"""What a shell completes, collected and stored so that it costs milliseconds."""
