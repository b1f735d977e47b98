"""What an answer says: its rows, its pages, and why it does not look like one of the API."""
