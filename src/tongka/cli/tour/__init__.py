"""The tour of a city: what `tongka demo` shows, a chapter for each thing that happens to people."""
