"""What the window shows, page by page, each behind one small protocol."""
