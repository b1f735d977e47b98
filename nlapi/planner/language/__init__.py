"""Text to tokens and mentions: the recognisers of dates, numbers, measures, codes and names."""
