"""One folder per room of the package, each module tested at tiny size."""
