"""Everything that is shown: text, the run view, JSON, NDJSON and JUnit. The only package that draws."""
