"""QR codes (ISO/IEC 18004:2015), as far as addresses need them: bytes, error correction level M."""
