"""GenEval (arXiv 2310.11513): its rules over detections, its files, its summary. The detector comes later."""
