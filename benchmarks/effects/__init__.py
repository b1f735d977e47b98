"""What real operations do, labelled by a person: read, change or destroy; the labels are a data set (README.md)."""
