"""What finds values in documents: JSONPath in JSON, CSS selectors in HTML, and JSON Schemas."""
