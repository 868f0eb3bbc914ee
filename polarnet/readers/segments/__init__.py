"""Tables of the 17 AHA segments, as programs and people write them."""
