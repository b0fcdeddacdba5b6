"""hls4ml: the project of C++, and its C simulation."""
