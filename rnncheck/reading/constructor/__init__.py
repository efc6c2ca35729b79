"""How a constructor takes sizes and options: under which names, in which order, in which object, and in which multiples."""
