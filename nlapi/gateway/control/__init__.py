"""The configuration: compiled, published as revisions, held as snapshots, and moved by canaries."""
