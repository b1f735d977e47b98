"""A request's context in, a Decision out. Pure: no HTTP, no OpenAPI, no clock, no files."""
