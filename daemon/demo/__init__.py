"""What `inherentd demo` is made of: its clips, one stream of them, the two processes, and the verdict."""
