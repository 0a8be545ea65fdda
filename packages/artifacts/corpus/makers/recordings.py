import numpy

from .registry import makes


@makes("soundfile", kept="tone.wav float.wav tone.flac tone.ogg tone.opus tone.mp3 tone.aiff")
def soundfile_recordings():
    import soundfile

    tone = numpy.sin(numpy.arange(4800) / 20) * 0.3
    soundfile.write("tone.wav", tone, 48000)
    soundfile.write("float.wav", tone, 48000, subtype="FLOAT")
    soundfile.write("tone.flac", tone, 48000)
    soundfile.write("tone.ogg", tone, 48000)
    soundfile.write("tone.opus", tone, 48000, format="OGG", subtype="OPUS")
    soundfile.write("tone.mp3", tone, 48000)
    soundfile.write("tone.aiff", tone, 48000)


@makes("wave", kept="stereo.wav")
def wave_recordings():
    import wave

    with wave.open("stereo.wav", "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(800))


@makes("mutagen", kept="tagged.mp3 tagged.flac")
def tagged_recordings():
    import soundfile
    from mutagen.flac import FLAC
    from mutagen.id3 import APIC, ID3, TIT2

    tone = numpy.zeros(4800)
    for name in ("tagged.mp3", "tagged.flac"):
        soundfile.write(name, tone, 48000)
    tags = ID3()
    tags.add(TIT2(encoding=3, text="Größe"))
    tags.add(APIC(encoding=3, mime="image/png", type=3, data=b"\x89PNG\r\n\x1a\n"))
    tags.save("tagged.mp3")
    flac = FLAC("tagged.flac")
    flac["title"] = "Größe"
    flac.save()


@makes("imageio with ffmpeg", kept="film.mp4 film.mov film.avi film.mkv film.webm film.gif")
def films():
    import imageio.v2 as imageio

    frames = [numpy.full((32, 32, 3), n * 20, "uint8") for n in range(6)]
    for ending in ("mp4", "mov", "avi", "mkv"):
        imageio.mimwrite(f"film.{ending}", frames, format="FFMPEG", fps=6)
    imageio.mimwrite("film.webm", frames, format="FFMPEG", fps=6, codec="libvpx", pixelformat="yuv420p")
    imageio.mimwrite("film.gif", frames)


@makes("ffmpeg", kept="film.m4v streamed.mp4 fragmented.mp4 sound.m4a sound.aac sound.mka long.mp3")
def ffmpeg_recordings():
    import subprocess

    import imageio_ffmpeg

    def ffmpeg(*words: str):
        subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *words], check=True)

    film = ("-f", "lavfi", "-i", "testsrc=size=32x32:rate=5", "-t", "1", "-pix_fmt", "yuv420p")
    sound = ("-f", "lavfi", "-i", "sine", "-t", "0.3")
    ffmpeg(*film, "-movflags", "+faststart", "streamed.mp4")
    ffmpeg(*film, "-movflags", "frag_keyframe+empty_moov", "fragmented.mp4")
    ffmpeg(*film, "film.m4v")
    for name in ("sound.m4a", "sound.aac", "sound.mka", "long.mp3"):
        ffmpeg(*sound, name)


@makes("srt and pysubs2", kept="film.srt film.vtt film.ass")
def subtitles():
    import datetime

    import pysubs2
    import srt

    line = srt.Subtitle(1, datetime.timedelta(0), datetime.timedelta(seconds=2), "Hello, <i>world</i>")
    with open("film.srt", "w") as file:
        file.write(srt.compose([line]))
    lines = pysubs2.SSAFile.from_string("1\n00:00:00,000 --> 00:00:02,000\nHello\n")
    lines.save("film.vtt")
    lines.save("film.ass")
