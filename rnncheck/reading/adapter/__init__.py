"""What stands between torch's call and a layer that is called its own way; scripts show these files."""
