"""A study: data that says what is compared, stages that are made once, and the files a report reads."""
