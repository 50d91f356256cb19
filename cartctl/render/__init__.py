"""All output: text, the run view, JSON, NDJSON and JUnit. The only package that draws."""
