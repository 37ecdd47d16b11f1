"""Models: one per file, plain arrays or plain torch; none knows a path.

A stage of the adaptive model (genomed.models.adaptive) proposes a linear predictor for people it
was not fitted to, and the part that gives it; genomed.models.verdicts decides.
"""
