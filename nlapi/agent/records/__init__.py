"""What is stored of a conversation: transcripts, receipts of consent, and what undoes a change."""
