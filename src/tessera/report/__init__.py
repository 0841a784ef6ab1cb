"""Pages and pictures for people: reads files and arrays, imports no torch."""
