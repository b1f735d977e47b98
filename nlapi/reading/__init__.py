"""A sentence in, its tokens and typed mentions out: dates, numbers, measures, codes and names; it knows no API."""
