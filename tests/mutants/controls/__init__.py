"""Right implementations that round or compute in their own way: nothing may be red on them."""
