//! THE rules for URL, path, query, host and header field: one normal form, compared byte by byte, never repaired.
