"""Versions past one machine: Ray Serve runs them, and a reconciler tells Ray and the gateways of one another."""
