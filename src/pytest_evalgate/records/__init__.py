"""Records of a run, in the order of the data flow: cases, outputs, scores, results, verdicts, calls."""
