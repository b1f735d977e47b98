"""APIs of the user: registered, described, searched, checked, logged in to, ruled by policies, and rehearsed."""
