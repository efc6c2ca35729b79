"""What the families of properties share: conditions, follow-up cases, gradients, designed weights."""
