"""What is known of served requests: counts, records, spans, logs and metrics."""
